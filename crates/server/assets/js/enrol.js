// A new passkey: what it will be good for is said before it is made.

import { countdown, go, h, host, onDay, ownPath, show, t, when } from "./dom.js";
import * as passkey from "./passkey.js";
import { post, Problem } from "./proof.js";
import { beside, refuse, run, settle } from "./refusal.js";

const secret = location.hash.slice(1);
const inviting = location.pathname === "/init";
const address = new URLSearchParams(location.search);
const to = ownPath(address.get("to"));
const onward = inviting ? "/sign-in?to=/me" : (to ?? "/me");

run(async () => {
  if (inviting && !secret) throw new Problem("invitation-spent");
  const known = Object.fromEntries(Object.entries({ to, confirmed: address.get("confirmed") }).filter(([, value]) => value));
  const view = inviting ? await post("/init", { secret }) : await post("/me/passkey/options", known);
  if (view.next) return go(view.next);
  return view.name_first ? nameFirst(view) : ask(view);
});

// A further passkey: what is added is confirmed with the present one, and made then.
function nameFirst(view) {
  const error = h("p", { class: "error", id: "name-error", role: "alert" });
  const name = h("input", { id: "name", maxlength: 40, autocomplete: "off", "aria-describedby": "name-error", value: t("enrol.name.default", { date: onDay(view.now) }) });
  const button = h("button", { class: "primary" }, t("enrol.confirm.submit"));
  show(h("section", { class: "card" },
    h("h1", {}, t("enrol.confirm.title")),
    h("p", {}, t("enrol.confirm.text")),
    h("p", { class: "small" }, t("enrol.for", { name: view.person.name, host })),
    h("form", { class: "stack", novalidate: true, onsubmit: async (event) => {
      event.preventDefault();
      error.textContent = "";
      button.disabled = true;
      try {
        await post("/me/passkey/options", { name: name.value.trim() || t("method.passkey"), ...(to && { to }) });
      } catch (problem) {
        if (problem.body?.pointer !== "/name") return settle(problem);
        error.textContent = t("error.name");
      }
      button.disabled = false;
      return undefined;
    } },
      h("div", {}, h("label", { for: "name" }, t("enrol.name")), name), button, error)));
}

function ask(view) {
  const error = h("p", { class: "error", id: "name-error", role: "alert" });
  const status = h("p", { class: "status", role: "status" });
  const name = h("input", { id: "name", maxlength: 40, autocomplete: "off", "aria-describedby": "name-error", value: t("enrol.name.default", { date: onDay(view.now) }) });
  const button = h("button", { class: "primary" }, t("enrol.submit"));
  // A name that was confirmed stays.
  if (view.name) {
    name.value = view.name;
    name.readOnly = true;
  }
  const form = h("form", { class: "stack", novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    error.textContent = "";
    button.disabled = true;
    status.textContent = t("passkey.waiting");
    try {
      const credential = await passkey.create(view.creation_options);
      const answer = { challenge: view.challenge, credential, name: name.value.trim() || t("method.passkey") };
      stop();
      done(inviting ? await post("/init/passkey", answer) : await post("/me/passkey", answer));
    } catch (problem) {
      const named = problem.body?.pointer === "/name" && t("error.name");
      const text = problem instanceof Problem && !problem.body.next && (named || beside(problem));
      if (!text) return settle(problem);
      error.textContent = text;
      button.disabled = false;
    } finally {
      status.textContent = "";
    }
    return undefined;
  } },
    h("div", {}, h("label", { for: "name" }, t("enrol.name")), name),
    button, status, error);
  const first = view.kind === "administrator";
  show(h("section", { class: "card" },
    h("h1", {}, inviting ? t(first ? "init.title" : "init.invitation.title") : t("enrol.title")),
    inviting && h("p", {}, t(first ? "init.text" : "init.invitation.text", { host })),
    inviting && h("p", { class: "small" }, t("init.as", { username: view.person.username })),
    h("p", {}, t("enrol.text")),
    !inviting && h("p", { class: "small" }, t("enrol.for", { name: view.person.name, host })),
    h("div", { class: "hint" }, h("p", {}, goodFor(view))),
    view.invitation && h("p", { class: "notice" }, t("enrol.invitation")),
    form,
    h("p", { class: "small" }, t(inviting ? "init.once" : "enrol.told"))));
  const stop = countdown(view, () => {}, () => refuse(new Problem("expired", { back: inviting ? undefined : { url: "/me", name: t("me.title") } })));
}

function goodFor({ ceiling, rises_at: rises }) {
  if (ceiling === "aal2" || ceiling === "aal1") return rises ? t("enrol.good.rises", { date: when(rises) }) : t("enrol.good.aal2");
  return t(`enrol.good.${ceiling}`);
}

function done(reply) {
  if (reply.next) return go(reply.next);
  const made = reply.authenticator;
  // The link has done what it can: it need not stay in the address bar.
  if (inviting) history.replaceState(null, "", location.pathname);
  show(h("section", { class: "card" },
    h("h1", {}, t("enrol.done.title")),
    h("p", { class: "lead" }, t("enrol.done.text", { name: made.name })),
    h("div", { class: "hint" }, h("p", {}, goodFor(made))),
    reply.told > 0 && h("p", {}, t("enrol.done.told")),
    h("a", { class: "button primary", id: "onward", href: onward }, t(inviting ? "init.sign_in" : "enrol.done.back"))));
  return undefined;
}
