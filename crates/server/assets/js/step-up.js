// The page that the product is about: what is asked, for whom, by whom, from the stored challenge, in rows.

import { $, countdown, go, grouped, h, host, lang, minutes, show, t, time } from "./dom.js";
import * as passkey from "./passkey.js";
import { post, Problem } from "./proof.js";
import { beside, refuse, run, settle } from "./refusal.js";

const RECEIPT_MILLIS = 2500;
const path = location.pathname;
let view;
let stop = () => {};

run(async () => {
  const reply = await post(path);
  if (reply.next && !reply.receipt) return go(reply.next);
  view = reply;
  return ({ open, announced: open }[view.state] ?? ended)();
});

function ended() {
  if (view.receipt) return receipt({ receipt: view.receipt });
  return refuse(new Problem(view.state === "expired" ? "expired" : "answered", { back: view.back }));
}

function open() {
  const error = h("p", { class: "error", id: "answer-error", role: "alert" });
  const status = h("p", { class: "status", role: "status" });
  const left = h("p", { class: "left" });
  const acts = h("div", { class: "stack", id: "acts" });
  show(h("article", { class: "card" },
    transaction(view),
    h("p", { class: "facts" },
      h("span", {}, t("step_up.you", { name: view.person.name })),
      h("span", {}, view.device ?? t("step_up.here")),
      view.place && h("span", {}, view.place),
      h("span", {}, time(view.now))),
    acts, status, error,
    h("details", {}, h("summary", {}, t("step_up.why")),
      h("div", { class: "stack" },
        h("p", {}, view.reason),
        h("p", { class: "facts" },
          h("span", {}, t("step_up.policy", { version: view.policy_version.slice(0, 12) })),
          h("span", {}, t("step_up.decision", { id: view.decision_id }))))),
    left));
  if (view.state === "announced") {
    acts.append(h("p", {}, t("step_up.announced")), back("primary") || "");
    return;
  }
  choose(view.methods[0], { acts, status, error });
  let told = false;
  stop = countdown(view, (millis) => {
    left.textContent = t("step_up.left", { time: minutes(millis) });
    if (!told && millis < 60_000 && millis > 50_000) {
      told = true;
      status.textContent = t("step_up.soon");
    }
  }, () => refuse(new Problem("expired", { back: view.back })));
}

/** What is asked, as the statement says it; without a transaction it is the person alone that is asked for. */
function transaction(said) {
  const speech = said.lang === lang ? undefined : said.lang;
  return [
    h("h1", { lang: speech }, said.title ?? t("step_up.sign_in.title")),
    h("p", { class: "lead", lang: speech }, emphasised(said.sentence ?? "", said.strong ?? [])),
    said.rows?.length > 0 && h("dl", { class: "rows", lang: speech }, said.rows.map((row) => line(row, said))),
    h("p", { class: "small" }, said.client.host
      ? t("step_up.asks.host", { client: said.client.name, host: said.client.host })
      : t("step_up.asks", { client: said.client.name })),
  ];
}

function line(row, { rows }) {
  const main = row.main || (!rows.some((other) => other.main) && row === (rows.find((r) => r.kind === "amount") ?? rows.find((r) => r.kind === "iban")));
  const change = row.changed && (row.changed_from ? t(`step_up.changed.${row.changed}.from`, { from: row.changed_from }) : t(`step_up.changed.${row.changed}`));
  return h("div", { class: main ? "row main" : "row" },
    h("dt", {}, row.label),
    h("dd", {},
      // The reader's direction must not reorder a name from elsewhere.
      h("bdi", { class: `value ${row.kind}` }, row.kind === "iban" ? grouped(row.value) : row.value),
      row.given_by && h("span", { class: "given" }, t("step_up.given_by", { client: row.given_by })),
      row.mixed_scripts && h("span", { class: "changed" }, t("step_up.mixed_scripts")),
      change && h("span", { class: "changed" }, change)));
}

function emphasised(sentence, strong) {
  const parts = strong.filter(Boolean).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!parts.length) return sentence;
  return sentence.split(new RegExp(`(${parts.join("|")})`)).map((part) => (strong.includes(part) ? h("strong", {}, h("bdi", {}, part)) : part));
}

// ---- answering ----

function choose(method, place) {
  const { acts, error, status } = place;
  error.textContent = "";
  const other = view.methods.find((candidate) => candidate !== method && ["passkey", "app_code"].includes(candidate));
  const refusing = h("div", { class: "pair" },
    h("button", { id: "refuse", onclick: () => answer(place, () => post(`${path}/refuse`, { alarm: false })) }, t("step_up.refuse")),
    h("button", { id: "alarm", class: "danger", onclick: () => answer(place, () => post(`${path}/refuse`, { alarm: true })) }, t("step_up.alarm")));
  const switching = other && h("button", { class: "quiet", onclick: () => choose(other, place) },
    t(other === "passkey" ? "step_up.use_passkey" : "step_up.use_code"));
  if (method === "passkey") {
    const confirm = async () => {
      status.textContent = t("passkey.waiting");
      const options = view.passkey_options ?? (await post(`${path}/passkey/options`)).passkey_options;
      delete view.passkey_options;
      return post(`${path}/passkey`, { credential: await passkey.prove(options) });
    };
    acts.replaceChildren(h("button", { class: "primary", id: "confirm", onclick: () => answer(place, confirm) }, t("step_up.passkey")), refusing, switching || "");
  } else if (method === "app_code") {
    acts.replaceChildren(codeForm(place), refusing, switching || "");
  } else {
    acts.replaceChildren(
      h("p", { class: "notice" }, t("step_up.enrol.text")),
      view.enrol_url ? h("a", { class: "button primary", href: view.enrol_url }, t("step_up.enrol")) : "",
      refusing);
  }
}

function codeForm(place) {
  const input = h("input", {
    id: "code", class: "code-input", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 9, required: true,
    "aria-describedby": "answer-error code-whose",
    oninput: () => { input.value = input.value.replace(/\D/g, "").slice(0, 8); },
  });
  return h("form", { class: "stack", novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    if (!/^\d{6,8}$/.test(input.value)) {
      place.error.textContent = t("code.missing");
      return input.focus();
    }
    return answer(place, () => post(`${path}/code`, { code: input.value }));
  } },
    h("div", {}, h("label", { for: "code" }, t("code.label")), input),
    h("div", { class: "hint", id: "code-whose" }, h("p", {}, h("strong", {}, t("code.belongs", { host }))), h("p", {}, t("code.never"))),
    h("button", { class: "primary", id: "confirm" }, t("step_up.code")));
}

async function answer({ acts, error, status }, act) {
  error.textContent = "";
  const buttons = [...acts.querySelectorAll("button, input")];
  for (const control of buttons) control.disabled = true;
  try {
    const reply = await act();
    stop();
    receipt(reply);
  } catch (problem) {
    for (const control of buttons) control.disabled = false;
    const text = problem instanceof Problem && !problem.body.next && beside(problem);
    status.textContent = "";
    if (!text) {
      stop();
      return settle(problem);
    }
    error.textContent = text;
    const input = $("code");
    if (input) {
      input.value = "";
      input.focus();
    }
  }
  return undefined;
}

function back(style) {
  return view.back && h("a", { class: `button ${style}`, href: view.back.url }, t("back_to", { name: view.back.name }));
}

// ---- what one keeps ----

function receipt({ receipt: kept, next }) {
  const { outcome } = kept;
  const alarm = outcome === "alarm";
  const onward = next ? { url: next, name: view.client.name } : view.back;
  show(h("article", { class: "card" },
    h("h1", {}, t(`receipt.${outcome}.title`)),
    h("p", {}, t(`receipt.${outcome}.text`)),
    h("div", { class: "stub" },
      h("div", {}, h("p", { lang: view.lang }, view.title ?? t("step_up.sign_in.title")), main(), h("p", { class: "small" }, time(kept.at))),
      h("div", { class: "number" }, h("p", { class: "small" }, t("receipt.number")), h("b", {}, kept.counterfoil))),
    h("p", { class: "small" }, t(`receipt.${outcome}.keep`)),
    alarm && h("p", { class: "notice" }, t("receipt.alarm.now")),
    alarm && h("a", { class: "button primary", href: "/me#sessions" }, t("receipt.alarm.sessions")),
    onward && h("a", { class: alarm ? "button" : "button primary", id: "onward", href: onward.url }, t("back_to", { name: onward.name })),
    next && !alarm && h("p", { class: "small", role: "status" }, t("receipt.going", { client: view.client.name }))));
  if (next && !alarm) setTimeout(() => go(next), RECEIPT_MILLIS);
}

function main() {
  const row = view.rows?.find((candidate) => candidate.main) ?? view.rows?.find((candidate) => candidate.kind === "amount");
  return row && h("p", { class: "value" }, row.kind === "iban" ? grouped(row.value) : row.value);
}
