// Says so when the figures on the page have stopped moving.
"use strict";
document.addEventListener("htmx:afterRequest", (event) => {
  document.body.classList.toggle("stale", !event.detail.successful);
});
