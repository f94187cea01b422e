/* 16 KiB from memory, for the cost of TLS for each byte. */
const body = "x".repeat(16 << 10);

export default { fetch: () => new Response(body) };
