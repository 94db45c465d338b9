// Sign-in: user name and password, then a code; or a passkey at any time, also from the field's autofill.

import { $, countdown, go, h, host, minutes, ownPath, show, t } from "./dom.js";
import * as passkey from "./passkey.js";
import { post, Problem } from "./proof.js";
import { beside, refuse, run, settle } from "./refusal.js";

const address = new URLSearchParams(location.search);
let view;
let stop = () => {};

run(async () => {
  const to = ownPath(address.get("to"));
  await step(await post("/sign-in", { ...(address.has("challenge") && { challenge: address.get("challenge") }), ...(to && { to }) }));
});

async function step(reply) {
  if (reply.next) return go(reply.next);
  view = reply;
  stop();
  // Each step may be a challenge of its own; loading the page again should show this one.
  if (address.has("challenge")) {
    address.set("challenge", view.challenge);
    history.replaceState(null, "", `?${address}`);
  }
  ({ identify, code, passkey: passkeyStep }[view.step] ?? identify)();
  return undefined;
}

const purpose = () => view.client && h("p", { class: "small" }, t("sign_in.for", { client: view.client.name }));
const reason = () => view.reason && h("p", { class: "notice" }, view.reason);
const status = h("p", { class: "status", role: "status" });

// ---- who, and the first proof ----

function identify() {
  const accepts = (method) => view.methods.includes(method);
  const own = $("identify");
  // The form stands in the shell, so that it is there before this script and password managers find it.
  if (!own) return location.reload();
  $("for").textContent = view.client ? t("sign_in.for", { client: view.client.name }) : "";
  $("said").textContent = view.reason ?? (address.has("out") ? t("sign_in.out") : "");
  $("said").hidden = !$("said").textContent;
  if (view.person) {
    $("heading").textContent = t("sign_in.again", { name: view.person.name });
    own.username.value = view.person.username;
  }
  own.hidden = !accepts("password");
  $("or").hidden = !(accepts("password") && accepts("passkey") && passkey.able());
  $("use-passkey").hidden = !accepts("passkey") || !passkey.able();
  for (const button of document.querySelectorAll("#view button")) button.disabled = false;
  own.onsubmit = (event) => {
    event.preventDefault();
    const username = own.username.value.trim();
    const password = own.password.value;
    if (!username) return wrong(own.username, t("sign_in.missing.username"));
    if (!password) return wrong(own.password, t("sign_in.missing.password"));
    return attempt(own, own.password, () => post("/sign-in/password", { challenge: view.challenge, username, password }));
  };
  $("use-passkey").onclick = () => withPasskey($("use-passkey"), $("passkey-error"));
  if (accepts("passkey")) autofill();
  return undefined;
}

async function autofill() {
  if (!view.passkey_options || !(await passkey.autofills())) return;
  try {
    const credential = await passkey.prove(view.passkey_options, { autofill: true });
    await step(await post("/sign-in/passkey", { challenge: view.challenge, credential }));
  } catch (error) {
    if (["passkey-aborted", "passkey-cancelled", "passkey-failed"].includes(error.slug)) return;
    fail(error, $("passkey-error"));
  }
}

// ---- a code ----

function code() {
  const input = h("input", {
    id: "code", name: "code", class: "code-input", inputmode: "numeric", autocomplete: "one-time-code", required: true,
    maxlength: 9, spellcheck: "false", "aria-describedby": "code-error code-whose",
    oninput: () => { input.value = input.value.replace(/\D/g, "").slice(0, 8); },
  });
  const left = h("p", { class: "left" });
  const form = h("form", { class: "stack", novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    if (!/^\d{6,8}$/.test(input.value)) return wrong(input, t("code.missing"));
    return attempt(form, input, () => post("/sign-in/code", { challenge: view.challenge, code: input.value }));
  } },
    h("div", {}, h("label", { for: "code" }, t("code.label")), input, h("p", { class: "error", id: "code-error", role: "alert" })),
    h("div", { class: "hint", id: "code-whose" }, h("p", {}, h("strong", {}, t("code.belongs", { host }))), h("p", {}, t("code.never"))),
    h("button", { class: "primary" }, t("code.submit")),
  );
  show(h("section", { class: "card" }, h("h1", {}, t("code.title")), purpose(), reason(), form, otherwise("passkey"), left));
  input.focus();
  stop = countdown(view, (millis) => { left.textContent = t("code.left", { time: minutes(millis) }); }, over);
}

// ---- a passkey ----

function passkeyStep() {
  const error = h("p", { class: "error", role: "alert" });
  const button = h("button", { class: "primary", onclick: () => withPasskey(button, error) }, t("passkey_step.submit"));
  show(h("section", { class: "card" },
    h("h1", {}, t("passkey_step.title")),
    h("p", {}, view.reason ?? (view.client ? t("passkey_step.text", { client: view.client.name }) : t("passkey_step.text.plain"))),
    button, status, error));
  button.focus();
  stop = countdown(view, () => {}, over);
}

function otherwise(method) {
  if (!view.methods.includes(method) || !passkey.able()) return false;
  const error = h("p", { class: "error", role: "alert" });
  const button = h("button", { class: "quiet", onclick: () => withPasskey(button, error) }, t("step_up.use_passkey"));
  return h("div", {}, button, error);
}

async function withPasskey(button, error) {
  error.textContent = "";
  button.disabled = true;
  status.textContent = t("passkey.waiting");
  try {
    const options = view.passkey_options ?? (await post("/sign-in/passkey/options", { challenge: view.challenge })).passkey_options;
    delete view.passkey_options;
    const credential = await passkey.prove(options);
    await step(await post("/sign-in/passkey", { challenge: view.challenge, credential }));
  } catch (problem) {
    fail(problem, error);
  } finally {
    button.disabled = false;
    status.textContent = "";
  }
}

// ---- what goes wrong ----

function wrong(input, text) {
  const error = $(`${input.id}-error`);
  error.textContent = text;
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

async function attempt(form, input, call) {
  for (const field of form.querySelectorAll("input")) {
    field.removeAttribute("aria-invalid");
    $(`${field.id}-error`).textContent = "";
  }
  const button = form.querySelector("button.primary");
  button.disabled = true;
  try {
    await step(await call());
  } catch (error) {
    button.disabled = false;
    const text = error instanceof Problem && !error.body.next && beside(error);
    if (!text) return settle(error);
    input.value = "";
    wrong(input, text);
  }
  return undefined;
}

function fail(error, place) {
  const text = error instanceof Problem && !error.body.next && beside(error);
  if (text) place.textContent = text;
  else if (error.slug !== "passkey-aborted") settle(error);
}

// An application's sign-in is over; one that nobody else waits for just begins again.
function over() {
  if (address.has("challenge")) refuse(new Problem("expired"));
  else location.reload();
}
