// Sets the colours before anything is painted. A classic script on purpose: a module would come too late.
"use strict";
(() => {
  const chosen = () => {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto"; // storage is forbidden
    }
  };
  const apply = () => {
    const theme = chosen();
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new Event("themechange"));
  };
  apply();
  addEventListener("storage", apply);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    select.value = chosen();
    select.addEventListener("change", () => {
      try {
        localStorage.setItem("theme", select.value);
      } catch {
        // then for this page only, as far as the next line goes
      }
      apply();
    });
  });
})();
