/* Runs for every request below this folder, for files as for routes. */

/** @type {JSServe.RouteHandler} */
export default async (request, env, ctx, next) => {
  const begun = performance.now();
  const response = await next();
  const headers = new Headers(response.headers);
  headers.set("Server-Timing", `site;dur=${(performance.now() - begun).toFixed(2)}`);
  return new Response(response.body, { status: response.status, headers });
};
