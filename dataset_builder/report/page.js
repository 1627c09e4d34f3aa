"use strict";
const one = id => document.getElementById(id);
const sections = [...document.querySelectorAll(".pairs")];
const pictures = [...document.querySelectorAll(".picture")];
const removed = [...document.querySelectorAll("tr[data-text]")];

function mask(picture, shown) {
  picture.classList.toggle("masked", shown);
  picture.setAttribute("aria-pressed", shown);
}

// Pictures beyond the first are decoded when they come near the window.
const near = new IntersectionObserver(entries => entries.filter(own => own.isIntersecting).forEach(own => {
  near.unobserve(own.target);
  own.target.querySelectorAll("[data-src]").forEach(image => {
    image.src = image.dataset.src;
    image.removeAttribute("data-src");
  });
}), {rootMargin: "600px"});
document.querySelectorAll("figure:has([data-src])").forEach(own => near.observe(own));

function filter() {
  const name = one("class").value, words = one("search").value.toLowerCase().split(/\s+/);
  const found = own => words.every(word => own.dataset.text.includes(word));
  for (const section of sections) {
    const figures = [...section.querySelectorAll("figure")];
    for (const own of figures)
      own.hidden = !(found(own) && (name === "" || own.dataset.classes.split("|").includes(name)));
    const shown = figures.filter(own => !own.hidden).length;
    section.querySelector(".count").textContent = `${shown} of ${figures.length} pairs shown`;
  }
  // what was left out has no list of classes: a build's prompts and a filter's reasons name them
  removed.forEach(own => own.hidden = !(found(own) && own.dataset.text.includes(name.toLowerCase())));
}

function sort() {
  const key = one("order").value.replace("-", ""), sign = one("order").value.startsWith("-") ? -1 : 1;
  for (const section of sections) {
    const figures = [...section.querySelectorAll("figure")];
    figures.sort((a, b) => sign * (a.dataset[key] - b.dataset[key]) || a.dataset.place - b.dataset.place);
    section.querySelector(".gallery").append(...figures);
  }
}

pictures.forEach(own => own.addEventListener("click", () => mask(own, !own.classList.contains("masked"))));
one("masks").addEventListener("change", event => pictures.forEach(own => mask(own, event.target.checked)));
for (const [id, unit] of [["opacity", ""], ["size", "px"]])
  one(id).addEventListener("input", event =>
    document.documentElement.style.setProperty(`--${id}`, event.target.value + unit));
one("class").addEventListener("change", filter);
one("search").addEventListener("input", filter);
one("order").addEventListener("change", sort);
filter();
