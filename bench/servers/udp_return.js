/* The same as udp.js, by what the handler returns. */
export default { datagram: (message) => message };
