/* Runs nothing while a field of the form holds what it may not, and says what it may.

   The browser keeps such a value to itself, so a run would have the one before it while the form
   shows another. A field that is being typed in has not been judged yet: it is left for a moment,
   so that it is, before anything else hears of the click or the keys. In a field of several lines
   the keys that ask for a run elsewhere take over what was typed, as the field itself says, and run
   nothing. */
const FORM = '[data-testid="stSidebarUserContent"]';
const FOOT = ".st-key-form_run";
const BUTTON = `${FOOT} button`;
const WRONG = ["input:out-of-range", 'input[aria-invalid="true"]', "[data-has-error]"]
  .map((field) => `${FORM} ${field}`)
  .join(",");
const LEAST_SHOWN = 1e-300; // the least number above 0 is how a range without 0 is written
const MOST_DIGITS = 1e15;

function asksForARun(event) {
  if (event.type === "click") return Boolean(event.target.closest?.(BUTTON));
  return event.key === "Enter" && (event.ctrlKey || event.metaKey);
}

function hold(event) {
  if (!asksForARun(event)) return;
  const typed = event.type === "keydown" && event.target.closest?.("textarea");
  const field = typed || document.querySelector(WRONG);
  if (!field) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (field === document.activeElement) field.blur();
  field.focus();
}

function named(field) {
  const widget = field.closest('[data-testid="stNumberInput"], [data-testid="stDateInput"]');
  return widget?.querySelector('[data-testid="stWidgetLabel"] p')?.textContent;
}

function blame() {
  const foot = document.querySelector(FOOT);
  if (!foot) return;
  const field = document.querySelector(WRONG);
  const name = field && named(field);
  if (name) foot.dataset.wrong = `${name} is out of its range.`;
  else delete foot.dataset.wrong;
}

function written(number) {
  if (Math.abs(number) >= MOST_DIGITS) return String(number);
  return number.toLocaleString("en", { maximumSignificantDigits: 15 }).replace("-", "\u2212");
}

function explain(alert) {
  const { min, max } = alert.parentElement.querySelector("input");
  const above = Number(min) > 0 && Number(min) < LEAST_SHOWN;
  const range = above ? `more than 0, at most ${written(+max)}` : `${written(+min)} to ${written(+max)}`;
  alert.dataset.said = `Expected ${range}.`;
}

export default function () {
  const explainAll = () => document.querySelectorAll(`${FORM} input ~ [role="alert"]:not([data-said])`).forEach(explain);
  const judge = () => {
    explainAll();
    blame();
  };
  const seen = new MutationObserver(judge);
  seen.observe(document.querySelector(FORM) ?? document.body, {
    childList: true,
    subtree: true,
    attributeFilter: ["aria-invalid", "data-has-error"],
  });
  for (const kind of ["keydown", "click"]) addEventListener(kind, hold, true);
  judge();
  return () => {
    seen.disconnect();
    for (const kind of ["keydown", "click"]) removeEventListener(kind, hold, true);
  };
}
