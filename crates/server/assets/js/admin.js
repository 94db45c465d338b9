// The administration: tables first, the filter in the address, j/k/Enter, one decision as a story.

import { $, h, lang, minutes, named, precisely, show, t, time, when } from "./dom.js";
import { saveEvidence } from "./evidence.js";
import { post } from "./proof.js";
import { run, settle } from "./refusal.js";
import { cell, row, table } from "./table.js";

const address = new URLSearchParams(location.search);
const [, , section = "overview", id] = location.pathname.split("/");
const parts = { overview, decisions: id ? story : decisions, policies, log, people };
const count = new Intl.NumberFormat(lang);
const tones = { step_up: "amber", deny: "red", permit: "", forbid: "red", high: "amber", critical: "red" };
const tag = (name, text) => h("span", { class: `tag ${tones[name] ?? "plain"}` }, text);
const outcome = (name) => tag(name, named(`outcome.${name}`, name));
const tier = (name) => name && tag(name, named(`tier.${name}`, name));

run(async () => {
  const view = await post(location.pathname === "/admin" ? "/admin/overview" : location.pathname, Object.fromEntries(address));
  if (view.next) return location.assign(view.next);
  side(view.viewer);
  show((parts[section] ?? overview)(view));
  return undefined;
});

function side(viewer) {
  const link = (name) => h("a", { href: name === "overview" ? "/admin" : `/admin/${name}`, "aria-current": name === section && "page" }, t(`nav.${name}`));
  $("side").replaceChildren(h("nav", { "aria-label": t("admin.nav") }, viewer.nav.map(link), h("hr"), h("a", { href: "/me" }, t("nav.me"))),
    h("p", { class: "small" }, viewer.roles.join(", ")));
  // On a narrow screen the parts stand in a line that scrolls.
  $("side").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const panel = (title, ...content) => h("section", { class: "panel" }, title && h("h2", {}, title), content);
const heading = (title, ...beside) => h("div", { class: "title" }, h("h1", {}, title), beside);
const nothing = (text) => panel(undefined, h("p", {}, text));

const pairs = (facts) => h("dl", { class: "pairs" }, facts.map(({ label, value, note }) => [h("dt", {}, label), h("dd", {}, value, note && h("span", { class: "given" }, note))]));

// ---- overview ----

function overview(view) {
  const link = ({ title, detail, at, url }) => h("li", {}, h("div", {}, url ? h("a", { href: url }, title) : h("strong", {}, title), detail && h("p", { class: "small" }, detail)), at && h("span", { class: "small" }, time(at)));
  const { totals, step_ups: cost, policy, log: state } = view;
  const figure = (label, value, tone) => h("div", { class: value && value !== "0" ? tone : undefined }, h("dt", {}, label), h("dd", {}, value));
  const asked = ["asked", "confirmed", "refused", "unanswered", "alarms"].map((name) => figure(t(`admin.step_ups.${name}`), count.format(cost[name]), name === "alarms" ? "red" : undefined));
  return [
    heading(t("nav.overview")),
    view.alarms.length === 0
      ? h("section", { class: "panel calm" }, h("h2", {}, t("admin.calm")), h("p", {}, t("admin.calm.text")))
      : h("section", { class: "panel alarm" }, h("h2", {}, t("admin.alarms")), h("ul", { class: "items" }, view.alarms.map(link))),
    view.todo.length > 0 && panel(t("admin.todo"), h("ul", { class: "items" }, view.todo.map(link))),
    panel(t("admin.today"),
      h("dl", { class: "figures" }, figure(t("outcome.permit"), count.format(totals.permit)), figure(t("outcome.step_up"), count.format(totals.step_up), "amber"), figure(t("outcome.deny"), count.format(totals.deny), "red")),
      view.chart && h("img", { class: "chart", src: view.chart, alt: t("admin.chart"), width: 640, height: 160 }),
      h("details", {}, h("summary", {}, t("admin.chart.table")), h("div", {}, table(["admin.hour", "outcome.permit", "outcome.step_up", "outcome.deny"],
        view.hours.map((hour) => row([cell("fixed", when(hour.at)), cell("num", hour.permit), cell("num", hour.step_up), cell("num", hour.deny)])))))),
    h("div", { class: "cols" },
      panel(t("admin.step_ups"), h("dl", { class: "figures" }, asked, cost.median_seconds !== undefined && figure(t("admin.step_ups.median"), minutes(cost.median_seconds * 1000)))),
      panel(t("admin.policy"), h("p", {}, h("a", { href: "/admin/policies" }, policy.name)), h("p", { class: "version" }, policy.version.slice(0, 16)), h("p", { class: "small" }, t("admin.policy.since", { date: when(policy.activated_at) })),
        h("h2", {}, t("admin.log.state")), h("p", {}, t("admin.log.size", { n: count.format(state.size) })), h("p", { class: "small" }, t("admin.log.checkpoint", { date: when(state.checkpoint_at) })))),
  ];
}

// ---- decisions ----

function decisions(view) {
  const rows = view.decisions.map((one) => row([
    cell("fixed", h("a", { href: `/admin/decisions/${one.id}` }, time(one.at))),
    cell("", outcome(one.outcome)),
    cell("", one.subject.username ?? one.subject.id),
    cell("", h("span", { class: "mono" }, one.action), h("span", { class: "small" }, `${one.resource.type} ${one.resource.id}`)),
    cell("", tier(one.tier)), cell("why", one.reason),
    cell("mono names", one.policies.join(", ")),
  ], true));
  return [
    heading(t("nav.decisions"), h("span", { class: "small" }, t("admin.keys"))),
    filter([
      choice("outcome", ["permit", "step_up", "deny"], (name) => t(`outcome.${name}`)),
      choice("tier", ["low", "moderate", "high", "critical"], (name) => t(`tier.${name}`)),
      choice("action", view.actions ?? [], (name) => name),
      field("subject", t("admin.filter.subject")),
    ]),
    rows.length === 0
      ? nothing(t([...address].length ? "admin.decisions.empty" : "admin.decisions.none"))
      : panel(undefined, table(["col.when", "col.outcome", "admin.col.person", "admin.col.action", "admin.col.tier", "col.why", "admin.col.policies"], rows), pages(view.before)),
  ];
}

function choice(name, values, label) {
  const select = h("select", { name }, h("option", { value: "" }, t("admin.filter.any")), values.map((value) => h("option", { value }, label(value))));
  select.value = address.get(name) ?? "";
  return h("label", {}, t(`admin.filter.${name}`), select);
}
const field = (name, label) => h("label", {}, label, h("input", { name, value: address.get(name) ?? "", autocomplete: "off", spellcheck: "false" }));

function filter(controls) {
  const to = (pairs) => location.assign(`${location.pathname}${pairs.length ? `?${new URLSearchParams(pairs)}` : ""}`);
  return h("form", { class: "panel filter", role: "search", "aria-label": t("admin.filter"), onsubmit: (event) => {
    event.preventDefault();
    to([...new FormData(event.target)].filter(([, value]) => value.trim()));
  } }, controls, h("button", { class: "small-button" }, t("admin.filter.apply")),
  [...address].length > 0 && h("a", { class: "button quiet small-button", href: location.pathname }, t("admin.filter.clear")));
}

function pages(before) {
  const older = new URLSearchParams(address);
  older.set("before", before);
  const newest = new URLSearchParams(address);
  newest.delete("before");
  return h("p", { class: "pages" },
    address.has("before") && h("a", { class: "button small-button", href: `?${newest}` }, t("admin.newest")),
    before && h("a", { class: "button small-button", href: `?${older}` }, t("admin.older")));
}

// ---- one decision ----

function story(view) {
  const { sections, policies: all, requirement } = view;
  const spoke = all.filter((policy) => policy.spoke);
  const silent = all.filter((policy) => !policy.spoke);
  const said = (policy) => h("li", {}, h("div", {}, policy.effect && tag(policy.effect, t(`admin.effect.${policy.effect}`)), " ", h("span", { class: "mono" }, policy.id), policy.note && h("p", { class: "small" }, policy.note),
    policy.text && h("details", {}, h("summary", {}, "Cedar"), h("pre", {}, policy.text))));
  const chapter = (title, kind, ...content) => h("li", { class: kind }, h("h2", {}, title), content);
  return [
    heading(precisely(view.at), outcome(view.outcome), tier(view.tier)),
    h("p", { class: "version" }, view.id),
    panel(undefined, h("ol", { class: "story" },
      chapter(t("admin.story.request"), "", pairs(sections.request)),
      chapter(t("admin.story.session"), "", pairs(sections.session)),
      chapter(t("admin.story.evidence"), "", pairs(sections.evidence)),
      chapter(t("admin.story.policies"), "", h("p", { class: "version" }, t("step_up.policy", { version: view.policy_version.slice(0, 16) })), h("ul", { class: "items" }, spoke.map(said)),
        silent.length > 0 && h("details", {}, h("summary", {}, t("admin.story.silent")), h("ul", { class: "items" }, silent.map(said)))),
      chapter(t("admin.story.outcome"), view.outcome, h("p", {}, outcome(view.outcome)),
        pairs([{ label: t("admin.story.reason_user"), value: view.reason_user }, { label: t("admin.story.reason_admin"), value: view.reason_admin }]),
        requirement && [h("h3", {}, t("admin.story.requirement")), pairs(requirement)]),
      chapter(t("admin.story.followed"), "", view.followed.length === 0 ? h("p", {}, t("admin.story.followed.empty")) : h("ul", { class: "items" }, view.followed.map((event) =>
        h("li", {}, h("div", {}, h("strong", {}, event.title), event.detail && h("p", {}, event.detail), h("p", { class: "facts" }, h("span", { class: "mono" }, event.kind), event.leaf !== undefined && h("span", {}, `${t("admin.col.leaf")} ${event.leaf}`))), time(event.at, precisely(event.at)))))))),
    view.evidence_url && h("p", {}, h("button", { id: "save-evidence", onclick: (event) => save(view, event.currentTarget) }, t("evidence.save")), h("span", { class: "small" }, " ", t("evidence.save.text"))),
    panel(undefined, h("details", {}, h("summary", {}, t("admin.story.raw")), h("pre", {}, JSON.stringify(view.raw, null, 2)))),
  ];
}

async function save({ evidence_url: url, id: decision }, button) {
  button.disabled = true;
  try {
    await saveEvidence(url, decision);
  } catch (error) {
    settle(error);
  }
  button.disabled = false;
}

// ---- policies, log, people ----

function policies({ active, actions, policies: all, versions }) {
  return [
    heading(t("nav.policies")),
    panel(t("admin.policy"), h("p", {}, active.name), h("p", { class: "version" }, active.version), h("p", { class: "facts" }, h("span", {}, t("admin.policy.since", { date: when(active.activated_at) })), active.activated_by && h("span", {}, t("admin.policies.by", { name: active.activated_by })))),
    panel(t("admin.policies.actions"), table(["admin.col.action", "admin.col.tier", "admin.col.resource"], actions.map((one) => row([cell("mono", h("a", { href: `/admin/decisions?action=${encodeURIComponent(one.name)}` }, one.name)), cell("", tier(one.tier)), one.resource_type])), { sort: true })),
    panel(t("admin.policies.texts"), h("ul", { class: "items" }, all.map((policy) => h("li", {}, h("div", {}, tag(policy.effect, t(`admin.effect.${policy.effect}`)), " ", h("span", { class: "mono" }, policy.id), policy.note && h("p", {}, policy.note), h("details", {}, h("summary", {}, "Cedar"), h("pre", {}, policy.text))))))),
    panel(t("admin.policies.versions"), table(["col.when", "admin.col.version", "admin.col.actor"], versions.map((one) => row([cell("fixed", time(one.activated_at)), cell("version", one.version), one.activated_by])))),
  ];
}

function log({ checkpoint, events, before, kinds }) {
  return [
    heading(t("nav.log")),
    checkpoint && panel(t("admin.log.checkpoint.title"), h("p", { class: "facts" }, h("span", {}, t("admin.log.size", { n: count.format(checkpoint.size) })), h("span", {}, t("admin.log.checkpoint", { date: when(checkpoint.at) }))),
      h("details", {}, h("summary", {}, t("admin.log.note")), h("pre", {}, checkpoint.note))),
    filter([choice("kind", kinds ?? [], (name) => name), field("q", t("admin.filter.search"))]),
    events.length === 0 ? nothing(t("admin.log.empty")) : panel(undefined, table(["col.when", "admin.col.leaf", "admin.col.kind", "admin.col.actor", "col.what"],
      events.map((event) => row([cell("fixed", time(event.at, precisely(event.at))), cell("num", event.leaf), cell("mono", event.kind), event.actor,
        cell("", event.summary, h("details", {}, h("summary", {}, "JSON"), h("pre", {}, JSON.stringify(event.raw, null, 2))))]))), pages(before)),
  ];
}

function people({ people: all, before }) {
  return [heading(t("nav.people")), filter([field("q", t("admin.filter.search"))]),
    all.length === 0 ? nothing(t("admin.people.empty")) : panel(undefined, table(["admin.col.username", "admin.col.name", "admin.col.roles", "admin.col.groups", "admin.col.authenticators", "admin.col.strongest", "admin.col.seen"],
      all.map((one) => row([h("a", { href: `/admin/decisions?subject=${encodeURIComponent(one.username)}` }, one.username), one.name, one.roles.join(", "), one.groups.join(", "), cell("num", one.authenticators), one.strongest, one.last_seen_at && time(one.last_seen_at)])), { sort: true }), pages(before))];
}

// ---- hands on the keyboard ----

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const step = { j: 1, k: -1 }[event.key];
  if (!step) return;
  const links = [...document.querySelectorAll("tr.pick a")];
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
});
document.addEventListener("click", (event) => {
  const picked = event.target.closest("tr.pick");
  if (picked && !event.target.closest("a, button, summary") && !getSelection().toString()) picked.querySelector("a").click();
});
