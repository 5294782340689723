// What every page has: signing out.
import { post, session } from "./api.js";

const out = document.getElementById("sign-out");
if (location.pathname !== "/console/login") {
  session().then((known) => {
    out.hidden = !known.can_sign_out;
  }, () => {});
}
out.addEventListener("click", async () => {
  await post("/console/api/logout");
  location.assign("/console/login");
});
