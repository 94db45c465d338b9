// What was refused, why, and what the person can do now: never a code alone.

import { go, h, has, inWords, issuer, show, t, when } from "./dom.js";
import { able, Problem } from "./proof.js";

const ASK = ["denied", "forbidden", "contained", "internal"];

/** The whole page says it. Never returns to what was there. */
export function refuse(problem) {
  const { body } = problem;
  // A proof names the address that it was made at: where that is not ours, the page is not where we serve it.
  const elsewhere = problem.slug === "proof-invalid" && location.origin !== new URL(issuer).origin;
  const slug = elsewhere ? "relay-suspected" : problem.slug;
  const otherwise = problem.status >= 400 && problem.status < 500 ? "refusal.invalid-request" : "refusal.internal";
  const key = has(`refusal.${slug}.title`) ? `refusal.${slug}` : otherwise;
  const warning = slug === "relay-suspected";
  const values = { issuer: body.issuer ?? issuer };
  // Who relays this page rewrites our address in it too: where it names the page itself, it sends nobody to us.
  const here = warning && new URL(values.issuer).origin === location.origin;
  const back = body.back;
  show(
    h("section", { class: warning ? "card refusal warning" : "card refusal", role: warning ? "alert" : undefined },
      h("h1", {}, t(`${key}.title`)),
      h("p", { class: "lead" }, t(here ? `${key}.here` : `${key}.text`, values)),
      body.reason && h("p", {}, body.reason),
      body.rises_at && h("p", {}, t(`${key}.until`, { date: when(body.rises_at) })),
      h("h2", {}, t("refusal.what_now")),
      h("p", {}, body.what_now ?? t(`${key}.now`, values)),
      back && !warning && h("a", { class: "button primary", href: back.url }, t("back_to", { name: back.name })),
      !back && !warning && ["network", "busy", "crowded", "too-many-open", "proof-invalid", "session-ended", "internal"].includes(slug) &&
        h("button", { class: "primary", onclick: () => location.reload() }, t("try_again")),
      body.decision_id && ASK.includes(slug) && h("p", { class: "small" }, t("refusal.ask", { id: body.decision_id })),
    ),
  );
}

/** What stands beside a field when its value was refused, or nothing when the whole page must say it. */
export function beside({ slug, body }) {
  if (slug === "throttled") return t("error.throttled", { time: inWords(body.retry_after_seconds ?? 30) });
  if (!has(`error.${slug}`)) return undefined;
  const left = body.attempts_left;
  return [t(`error.${slug}`), body.reason, left !== undefined && t("error.attempts_left", { n: left })].filter(Boolean).join(" ");
}

/** Runs a page: goes where a reply or a problem says, tells everything else by a refusal. */
export async function run(page) {
  if (!able()) return refuse(new Problem("unable"));
  try {
    await page();
  } catch (error) {
    settle(error);
  }
}

/** The end of whatever went wrong. */
export function settle(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    return refuse(new Problem("internal"));
  }
  if (error.body?.next) return go(error.body.next);
  return refuse(error);
}
