// Signing in.
import { session } from "./api.js";
import { byId } from "./dom.js";

// Only a path of the console: whoever makes a link must not choose where the password's owner ends up.
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  return /^\/console(\/[\w~.:+/-]*)?(\?[^#]*)?$/.test(wanted) && !wanted.startsWith("/console/login") ? wanted : "/console";
}

// A link from elsewhere brings no cookie (SameSite=Strict), though there may be a session.
fetch("/console/api/session").then((response) => {
  if (response.ok) location.replace(next());
}, () => {});

const problem = byId("login-problem");
byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.hidden = true;
  const response = await fetch("/console/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ password: byId("password").value }),
  }).catch(() => null);
  if (response?.ok) {
    await session();
    location.replace(next());
    return;
  }
  const detail = await response?.json().then((answer) => answer.detail, () => null);
  problem.textContent = detail ?? "the server does not answer";
  problem.hidden = false;
  byId("password").select();
});
