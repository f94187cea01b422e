/* The second app of bench/http.sh: an async handler that reads the request's URL. */
export default {
  async fetch(request) {
    return new Response(request.url);
  },
};
