// The page's own parts: elements made by the DOM alone (never from markup), texts, formats of the reader's language.

const root = document.documentElement;
export const lang = root.lang;
/** Our host as the server names it, and the issuer's URL. */
export const host = root.dataset.host;
export const issuer = root.dataset.issuer;

const texts = await fetch(root.dataset.text).then((reply) => reply.json());

/** The text of that key; `{name}` is replaced by `values.name`. */
export function t(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
export const has = (key) => key in texts;
/** The text of that key, else what the server called it. */
export const named = (key, otherwise) => (has(key) ? t(key) : otherwise);

/** An element: attributes, `onclick`-like listeners, children (elements, texts, arrays; null and false are left out). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return element;
}

export const $ = (id) => document.getElementById(id);
/** Replaces what the page shows and moves the reader to its heading. */
export function show(...children) {
  const view = $("view");
  view.replaceChildren(...children.flat(Infinity).filter(Boolean));
  const heading = view.querySelector("h1");
  if (heading) {
    document.title = `${heading.textContent} · Counterfoil`;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
}

// The page's language as its reader's country writes it: en-GB has another clock than en-US.
const locale = navigator.languages.find((tag) => tag.split("-")[0] === lang) ?? lang;
const format = (options) => new Intl.DateTimeFormat(locale, options);
const clock = format({ hour: "2-digit", minute: "2-digit" });
const day = format({ day: "numeric", month: "short" });
const full = format({ dateStyle: "long", timeStyle: "medium" });
const moment = format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const distant = format({ dateStyle: "medium", timeStyle: "short" });

/** A moment as text: the clock alone today, the year only when it is another. */
export function when(millis) {
  const date = new Date(millis);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return clock.format(date);
  return (date.getFullYear() === now.getFullYear() ? moment : distant).format(date);
}
export const onDay = (millis) => day.format(millis);
export const precisely = (millis) => full.format(millis);
/** The same as an element whose title says it to the second. */
export const time = (millis, text = when(millis)) =>
  h("time", { datetime: new Date(millis).toISOString(), title: precisely(millis) }, text);

/** 271000 → "4:31" */
export function minutes(millis) {
  const seconds = Math.max(0, Math.ceil(millis / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** 45 → "45 seconds", 300 → "5 minutes", in the reader's language. */
export function inWords(seconds) {
  const [unit, size] = seconds < 90 ? ["second", 1] : seconds < 5400 ? ["minute", 60] : ["hour", 3600];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(Math.ceil(seconds / size));
}

/** As on paper: groups of four. */
export const grouped = (iban) => iban.replace(/\s/g, "").replace(/(.{4})(?=.)/g, "$1 ");

/** Calls `tick(millis left)` each second and `over()` once. By the server's clock: only the difference counts. */
export function countdown({ now, expires_at: end }, tick, over) {
  const started = performance.now();
  const left = () => end - now - (performance.now() - started);
  const timer = setInterval(step, 1000);
  function step() {
    if (left() <= 0) {
      clearInterval(timer);
      over();
    } else tick(left());
  }
  step();
  return () => clearInterval(timer);
}

/** Opens an address that the server named: a page of ours, a client's URL, or a private scheme with a dot (RFC 8252 §7.1). */
export function go(next) {
  const url = new URL(next, location.origin);
  if (/^https?:$/.test(url.protocol) || /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]*:$/.test(url.protocol)) location.assign(url.href);
  else throw new Error("the address has a scheme that we do not open");
}
/** A path of ours from the page's own address, or nothing. */
export function ownPath(text) {
  if (!text) return undefined;
  const url = new URL(text, location.origin);
  // A path that begins with two slashes would be another host's in a link.
  const own = url.origin === location.origin && text.startsWith("/") && !url.pathname.includes("//");
  return own ? url.pathname + url.search + url.hash : undefined;
}

const choice = $("lang");
choice?.addEventListener("change", () => {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `lang=${choice.value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  location.reload();
});

// A page that comes back from the browser's memory shows what was; who is signed in now may be somebody else.
addEventListener("pageshow", (event) => event.persisted && location.reload());
