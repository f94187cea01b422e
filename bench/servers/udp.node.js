/* Another base of bench/udp.sh: Node's dgram on PORT. */
const socket = require("node:dgram").createSocket("udp4");
socket.on("message", (message, from) => socket.send(message, from.port, from.address));
socket.bind(Number(process.env.PORT), "127.0.0.1");
