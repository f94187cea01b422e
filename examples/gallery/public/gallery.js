/* The wall of photos: what the server names, a large one on a click. */
// @ts-nocheck
const photos = document.getElementById("photos");
const large = document.getElementById("large");
const [picture, close] = large.children;

/** "dusk.jpg" is shown as "Dusk". */
const title = (name) => name[0].toUpperCase() + name.slice(1).replace(/\.\w+$/, "");

for (const name of await (await fetch("photos.json")).json()) {
  const button = document.createElement("button");
  const image = Object.assign(new Image(1500, 1000), { src: "photos/" + name, alt: title(name), loading: "lazy" });
  button.append(image, Object.assign(document.createElement("span"), { textContent: title(name) }));
  button.onclick = () => {
    picture.src = image.src;
    picture.alt = image.alt;
    large.showModal();
  };
  photos.append(button);
}

close.onclick = () => large.close();
large.onclick = (event) => event.target === large && large.close();
