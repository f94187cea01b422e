/* For the browser: a module in assets/ is never a route, though it has a default export. */
// @ts-nocheck: these are a browser's globals.
export default function toggle() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

const button = document.createElement("button");
button.className = "theme";
button.textContent = "◐";
button.ariaLabel = "Light or dark";
button.addEventListener("click", toggle);
document.querySelector("nav").append(button);
