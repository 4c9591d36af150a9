/* Asks for a redraw of the fragment it stands in, every few seconds, and keeps the page whole.

   Streamlit's own timer (run_every) may fire while a page is being left; its late request is then
   answered for the page already left, which empties the new one ("Bad delta path"). So this one is
   silent while anything runs or the tab is hidden. A second click on something that leaves the page
   would do the same harm; it is swallowed. */
const LEAVES = [
  ".st-key-form_run button",
  ".st-key-runs_compare button",
  ".st-key-run_again button",
  ".st-key-study_again button",
  ".st-key-study_promote button",
  ".st-key-trial_promote button",
  ".wb-runs td:not(.wb-pick, [data-column=\"cancel\"])",
  '[data-testid="stPageLink"] a',
  '[data-testid="stLogoLink"]',
].join(",");
const EVENTS = ["pointerdown", "mousedown", "pointerup", "mouseup", "click", "keydown"];
const STEP = 50;
const GRACE = 400;
const QUIET = 1500; // a page is left in two runs, and on a busy server nothing runs between them

export default function (component) {
  const { data, setTriggerValue } = component;
  const root = document.documentElement.dataset;
  const app = document.querySelector('[data-testid="stApp"]');
  const idle = () => (app?.dataset.testScriptState ?? "notRunning") === "notRunning";
  let due = performance.now() + data.seconds * 1000;
  let leftAt = -Infinity;
  let idleSince = Infinity;

  const timer = setInterval(() => {
    const now = performance.now();
    if (!idle()) {
      idleSince = Infinity;
      return;
    }
    idleSince = Math.min(idleSince, now);
    delete root.wbPolling;
    if (now - leftAt > GRACE) delete root.wbLeaving;
    const stays = leftAt < 0 || now - Math.max(idleSince, leftAt) > QUIET;
    if (document.hidden || "wbLeaving" in root || !stays || now < due) return;
    due = now + data.seconds * 1000;
    root.wbPolling = "";
    setTriggerValue("beat", Date.now());
  }, STEP);

  const watch = (event) => {
    const key = event.type === "keydown";
    if (key && event.key !== "Enter" && event.key !== " ") return;
    if ("wbLeaving" in root) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    const leaves = key ? event.ctrlKey || event.metaKey : event.target.closest?.(LEAVES);
    if (leaves && (key || event.type === "click")) {
      leftAt = performance.now();
      root.wbLeaving = "";
    }
  };
  for (const kind of EVENTS) addEventListener(kind, watch, true);

  return () => {
    clearInterval(timer);
    for (const kind of EVENTS) removeEventListener(kind, watch, true);
    delete root.wbPolling;
    delete root.wbLeaving;
  };
}
