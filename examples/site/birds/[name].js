/* /birds/robin: the parameter is in ctx.params. Without a bird of that name the site's 404.html answers, by next(). */
import { birds } from "../_lib/birds.js";
import { escape, page } from "../_lib/page.js";

/** @type {JSServe.RouteHandler} */
export const GET = (request, env, ctx, next) => {
  const { name } = ctx.params;
  if (name === "dodo") throw new Error("the dodo is extinct");
  if (!Object.hasOwn(birds, name)) return next();
  const bird = birds[name];
  return page(
    bird.name,
    `<p class="lead"><b style="--hue: ${bird.hue}">●</b> <i>${escape(bird.latin)}</i></p>
<p>${escape(bird.song)}</p>
<form method="post" action="/sightings">
  <input type="hidden" name="bird" value="${escape(name)}">
  <input name="place" placeholder="Where have you seen it?" required maxlength="60" aria-label="Place">
  <button>Note it down</button>
</form>`,
  );
};
