/* The app of bench/udp.sh: each datagram goes back to who sent it. */
export default {
  datagram(message, from, socket) {
    socket.send(message, from);
  },
};
