/* Deno.serve on PORT, which takes HTTP/2 with prior knowledge: of bench/http2.sh. */
Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} }, () => new Response("hello\n"));
