/* /sightings: the list, and the form that adds to it. The list is one for all workers. */
import shared from "jsserve:shared";
import { birds } from "../_lib/birds.js";
import { escape, page } from "../_lib/page.js";

const KEPT_MAX = 50;
/** @typedef {{ bird: string, place: string, at: string }} Sighting */
/** @type {import("jsserve:shared").SharedMap<Sighting[]>} */
const sightings = shared.map("sightings");

export function GET() {
  const all = sightings.get("all") ?? [];
  /** @param {Sighting} sighting */
  const item = ({ bird, place, at }) =>
    `<li><b style="--hue: ${birds[bird].hue}">●</b><strong>${escape(birds[bird].name)}</strong>
<span>${escape(place)}</span><time datetime="${at}">${at.slice(0, 16).replace("T", " ")}</time></li>`;
  return page(
    "Sightings",
    all.length === 0 ? `<p class="lead">Nobody has seen anything yet.</p>` : `<ol class="rows">${all.map(item).join("")}</ol>`,
  );
}

/** @type {JSServe.RouteHandler} */
export const POST = async (request) => {
  const form = await request.formData();
  const bird = String(form.get("bird") ?? "");
  const place = String(form.get("place") ?? "").trim().slice(0, 60);
  if (!Object.hasOwn(birds, bird) || place === "") return page("What was it?", `<p class="lead">A sighting has a bird and a place.</p>`, 422);
  const seen = { bird, place, at: new Date().toISOString() };
  sightings.update("all", (all) => [seen, ...(all ?? [])].slice(0, KEPT_MAX));
  return Response.redirect(new URL("/sightings", request.url), 303);
};
