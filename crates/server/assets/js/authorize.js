// The pushed request is consumed here, by a call that proves the browser's key: the page's address alone starts nothing.

import { go } from "./dom.js";
import { post } from "./proof.js";
import { run } from "./refusal.js";

run(async () => {
  const { next } = await post("/oauth/authorize", Object.fromEntries(new URLSearchParams(location.search)));
  go(next);
});
