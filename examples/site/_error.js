/* Answers for every route below this folder that throws; the log has the error. */
import { escape, page } from "./_lib/page.js";

/** @type {JSServe.ErrorHandler} */
export default (error, request) =>
  page("Something broke", `<p class="lead">${escape(new URL(request.url).pathname)} could not be shown.</p>`, 500);
