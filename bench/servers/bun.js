/* The base of bench/http.sh: Bun.serve on PORT; ASYNC=1 makes the handler async and reads the URL. */
const hello = () => new Response("hello\n");
const url = async (request) => new Response(request.url);
Bun.serve({ port: Number(process.env.PORT), hostname: "127.0.0.1", fetch: process.env.ASYNC ? url : hello });
