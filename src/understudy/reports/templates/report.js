"use strict";
(() => {
  for (const shelf of document.querySelectorAll(".shelf")) {
    const pages = [...shelf.querySelectorAll(".transcript")];
    const pager = shelf.querySelector(".pager");
    if (pages.length < 2 || !pager) continue;
    const place = pager.querySelector(".place");
    let current = 0;
    const show = (to) => {
      current = (to + pages.length) % pages.length;
      pages.forEach((page, i) => { page.hidden = i !== current; page.open = i === current; });
      place.textContent = `${current + 1} of ${pages.length}`;
    };
    pager.querySelector(".back").addEventListener("click", () => show(current - 1));
    pager.querySelector(".on").addEventListener("click", () => show(current + 1));
    shelf.tabIndex = 0;
    shelf.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowLeft") show(current - 1);
      else if (event.key === "ArrowRight") show(current + 1);
      else return;
      event.preventDefault();
    });
    pager.hidden = false;
    shelf.classList.add("paged");
    show(0);
  }
  if (document.querySelector(".paged")) document.querySelector("#transcripts .hint").hidden = false;
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open]):not([hidden])")];
    opened.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));
})();
