// One's own account: authenticators with what each is good for, sessions, what was confirmed and decided.

import { $, go, h, named, show, t, time, when } from "./dom.js";
import { saveEvidence } from "./evidence.js";
import { post, Problem } from "./proof.js";
import { beside, run, settle } from "./refusal.js";
import { cell, row, table } from "./table.js";

run(async () => {
  const confirmed = new URLSearchParams(location.search).get("confirmed");
  if (!confirmed) return load();
  // Done once, whoever loads this address again.
  history.replaceState(null, "", location.pathname + location.hash);
  const { action } = await post(`/me/confirmed/${encodeURIComponent(confirmed)}`);
  return load(named(`me.done.${action}`, ""));
});

async function load(said) {
  const view = await post("/me");
  if (view.next) return go(view.next);
  render(view, said);
  return undefined;
}

async function act(path, body, said) {
  try {
    const { next } = await post(path, body);
    if (next) return go(next);
    return await load(said);
  } catch (error) {
    const why = error.slug === "not-changed" && named(`me.why.${error.body.why}`, "");
    const text = why || (error instanceof Problem && !error.body.next && beside(error));
    if (!text) return settle(error);
    $("said").textContent = text;
  }
  return undefined;
}

function render(view, said = "") {
  const kept = location.hash;
  show(
    h("div", { class: "title" },
      h("h1", {}, t("me.title")),
      view.can_admin && h("a", { class: "button small-button", href: "/admin" }, t("me.admin")),
      h("button", { class: "small-button", id: "sign-out", onclick: () => act("/sign-out", {}) }, t("me.sign_out"))),
    h("p", { class: "facts" }, h("strong", {}, view.person.name), h("span", {}, t("me.signed_in_as", { username: view.person.username })),
      h("span", {}, t(`binding.${view.session.binding}`))),
    h("p", { class: "status", id: "said", role: "status" }, said),
    view.notices?.map((notice) => h("p", { class: "notice panel" }, notice)),
    authenticators(view), sessions(view), confirmations(view), decisions(view), addresses(view));
  if (kept) $(kept.slice(1))?.scrollIntoView();
}

const panel = (id, title, text, ...content) =>
  h("section", { class: "panel", id, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, title), text && h("p", { class: "small" }, text), content);

function authenticators({ authenticators: all, enrol }) {
  return panel("authenticators", t("me.authenticators"), t("me.authenticators.text"),
    h("ul", { class: "items" }, all.map(authenticator)),
    enrol.reason && h("p", { class: "small" }, enrol.reason),
    enrol.allowed && h("a", { class: "button", id: "add-passkey", href: "/me/passkey" }, t("me.add_passkey")));
}

function authenticator(one) {
  const path = `/me/authenticators/${one.id}`;
  return h("li", {},
    h("div", {},
      h("h3", {}, one.name),
      goodFor(one),
      h("p", { class: "facts" },
        one.name !== t(`method.${one.method}`) && h("span", {}, named(`method.${one.method}`, one.method)),
        h("span", {}, t("me.added", { date: when(one.added_at) })),
        h("span", {}, one.last_used_at ? t("me.last_used", { date: when(one.last_used_at) }) : t("me.never_used")),
        one.synced && h("span", {}, t("me.synced")),
        one.this_device && h("span", {}, t("me.this_device")))),
    h("div", {},
      one.vouchable && h("div", { class: "acts" },
        h("button", { class: "small-button", onclick: () => act(`${path}/vouch`, {}) }, t("me.vouch"))),
      one.removable && asked(t("me.remove"), t("me.remove.sure", { name: one.name }), t("me.remove.yes"), () => act(`${path}/remove`, {})),
      one.disownable && asked(t("me.disown"), t("me.disown.sure", { name: one.name }), t("me.disown.yes"),
        () => act(`${path}/disown`, {}, t("me.disowned")))));
}

// One click asks, the second does it; what is asked is read aloud.
function asked(title, question, yes, done) {
  const sure = h("div", { class: "acts", hidden: true });
  const ask = h("button", { class: "quiet danger small-button", onclick: () => {
    ask.hidden = true;
    sure.hidden = false;
    sure.querySelector("button").focus();
  } }, title);
  sure.append(
    h("span", { class: "unseen" }, question),
    h("button", { class: "small-button", onclick: () => { sure.hidden = true; ask.hidden = false; ask.focus(); } }, t("cancel")),
    h("button", { class: "small-button danger", onclick: done }, yes));
  return h("div", {}, ask, sure);
}

function goodFor({ state, why, method, ceiling, rises_at: rises }) {
  if (state !== "active") return h("p", { class: "limited" }, named(why ? `me.disabled.${why}` : `me.${state}`, t("me.disabled")));
  if (method === "password") return h("p", { class: "limited" }, t("good_for.aal1"));
  if (rises) return h("p", { class: "limited" }, t("good_for.rises", { date: when(rises) }));
  if (method === "passkey" && ceiling === "aal2") return h("p", { class: "limited" }, t("good_for.passkey.aal2"));
  return h("p", { class: ceiling.startsWith("phr") ? "good" : "limited" }, t(`good_for.${ceiling}`));
}

function sessions({ sessions: all }) {
  return panel("sessions", t("me.sessions"), t("me.sessions.text"),
    h("ul", { class: "items" }, all.map((one) => {
      const end = (not_me) => act(`/me/sessions/${one.id}/end`, { not_me }, t("me.session.ended"));
      return h("li", {},
        h("div", {},
          h("h3", {}, one.device, " ", one.current && h("span", { class: "tag" }, t("me.session.current"))),
          h("p", { class: "facts" },
            one.place && h("span", {}, one.place),
            one.ip && h("span", {}, one.ip),
            h("span", {}, t(`binding.${one.binding}`)),
            h("span", {}, t("me.session.since", { date: when(one.signed_in_at) })),
            h("span", {}, t("me.session.seen", { date: when(one.last_seen_at) })))),
        !one.current && h("div", { class: "acts" },
          h("button", { class: "small-button", onclick: () => end(false) }, t("me.session.end")),
          h("button", { class: "small-button danger", onclick: () => end(true) }, t("me.session.not_me"))));
    })));
}

const tone = { permit: "", executed: "", redeemed: "", step_up: "amber", unused: "amber", deny: "red", failed: "red", refused: "amber", alarm: "red" };
const outcome = (name) => h("span", { class: `tag ${tone[name] ?? ""}` }, named(`outcome.${name}`, name));

function confirmations({ confirmations: all }) {
  return panel("confirmations", t("me.confirmations"), undefined,
    all.length === 0 ? h("p", {}, t("me.confirmations.empty")) : h("ul", { class: "items" }, all.map((one) => h("li", {},
      h("div", {},
        h("h3", {}, one.title),
        // The text that was confirmed, line by line; its first line is the title.
        h("p", { class: "lines" }, (one.text.startsWith(one.title) ? one.text.slice(one.title.length) : one.text).trim().replace(/\n{2,}/g, "\n")),
        h("p", { class: "facts" }, h("span", {}, one.client), h("span", {}, time(one.at)), h("span", { class: "mono" }, one.counterfoil))),
      h("div", { class: "actions" }, outcome(one.outcome),
        one.evidence_url && h("button", { class: "small-button", "aria-label": `${t("evidence.save")}: ${one.counterfoil}`, onclick: (event) => save(one, event.currentTarget) }, t("evidence.save")))))));
}

async function save({ evidence_url: url, counterfoil }, button) {
  button.disabled = true;
  try {
    await saveEvidence(url, counterfoil);
  } catch (error) {
    settle(error);
  }
  button.disabled = false;
}

function decisions({ decisions: all }) {
  const lines = all.map((one) => row([
    cell("fixed", time(one.at)),
    cell("", h("span", { class: "mono" }, one.action), h("span", { class: "small" }, `${one.resource.type} ${one.resource.id}`)),
    cell("", outcome(one.outcome)),
    one.reason,
  ]));
  return panel("decisions", t("me.decisions"), undefined,
    lines.length === 0 ? h("p", {}, t("me.decisions.empty")) : table(["col.when", "col.what", "col.outcome", "col.why"], lines));
}

function addresses({ addresses: all }) {
  return panel("addresses", t("me.addresses"), t("me.addresses.text"),
    all.length === 0 ? h("p", { class: "notice" }, t("me.addresses.empty")) : h("ul", { class: "items" }, all.map((one) =>
      h("li", {}, h("div", {}, one.value), !one.verified && h("span", { class: "tag amber" }, t("me.address.unverified"))))));
}
