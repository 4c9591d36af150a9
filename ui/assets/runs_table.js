/* The tables of runs and of studies. Python sends finished words; this only draws, selects, sorts,
   opens and asks twice before it cancels.
   Every text enters through textContent: a name can never become markup. */
const SVG = "http://www.w3.org/2000/svg";

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".wb-runs");
  const state = (root.wb ??= { selected: new Set(), drawn: "", clock: 0, armed: null });
  state.emit = { setStateValue, setTriggerValue };
  state.data = data;
  state.selected = new Set(data.selected ?? []);
  state.redraw = () => {
    redraw(root, state);
    tick(root);
  };
  state.redraw();
  mark(root, state);
  clearInterval(state.clock);
  state.clock = setInterval(() => tick(root), 15000);
  return () => clearInterval(state.clock);
}

function redraw(root, state) {
  const { columns, rows, sort } = state.data;
  const fingerprint = JSON.stringify([columns, rows, sort, state.armed]);
  if (fingerprint === state.drawn) return;
  const focus = focused(root);
  root.querySelector("table").replaceChildren(head(root, state), body(root, state));
  restore(root, focus);
  state.drawn = fingerprint;
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function head(root, state) {
  const row = element("tr");
  if (state.data.most) row.append(pickAll(root, state));
  for (const column of state.data.columns) {
    const cell = element("th", column.align === "left" ? "wb-left" : "");
    cell.scope = "col";
    cell.dataset.column = column.key;
    if (column.help) cell.title = column.help;
    if (column.sort) {
      const { by, order } = state.data.sort;
      const active = by === column.sort;
      const button = element("button", active ? "wb-active" : "", column.label);
      button.type = "button";
      button.dataset.focus = `sort:${column.key}`;
      button.append(element("i", "", active ? (order === "asc" ? "↑" : "↓") : ""));
      button.onclick = () => state.emit.setTriggerValue("sort", column.sort);
      cell.setAttribute("aria-sort", active ? (order === "asc" ? "ascending" : "descending") : "none");
      cell.append(button);
    } else {
      cell.textContent = column.label;
    }
    row.append(cell);
  }
  const section = element("thead");
  section.append(row);
  return section;
}

function pickAll(root, state) {
  const cell = element("th", "wb-pick");
  cell.scope = "col";
  cell.append(element("span", "wb-sr", "Select"));
  return cell;
}

function body(root, state) {
  const section = element("tbody");
  for (const run of state.data.rows) section.append(line(root, state, run));
  return section;
}

function line(root, state, run) {
  const row = element("tr");
  row.dataset.run = run.id;
  if (state.data.most) row.append(picker(root, state, run));
  row.append(...cells(state, run));
  row.onclick = (event) => {
    if (event.target.closest("a, button, input") || String(getSelection())) return;
    state.emit.setTriggerValue("open", run.id);
  };
  return row;
}

/* What is not over has one wide cell where others have their figures. */
function cells(state, run) {
  const { columns } = state.data;
  if (!run.progress) return columns.map((column) => cell(state, column, run));
  const [first, last] = run.progress.over.map((key) => columns.findIndex((each) => each.key === key));
  const wide = element("td", "wb-left");
  wide.colSpan = last - first + 1;
  wide.append(progress(run.progress));
  const kept = columns.filter((_, place) => place < first || place > last);
  const made = kept.map((column) => cell(state, column, run));
  made.splice(first, 0, wide);
  return made;
}

function picker(root, state, run) {
  const pick = element("td", "wb-pick");
  const box = element("input");
  box.type = "checkbox";
  box.disabled = !run.comparable;
  box.dataset.focus = `pick:${run.id}`;
  box.setAttribute("aria-label", `Select run ${run.id} for comparison`);
  box.onchange = () => toggle(root, state, run.id, box);
  pick.onclick = (event) => event.stopPropagation();
  pick.append(box);
  return pick;
}

function cell(state, column, run) {
  const node = element("td", column.align === "left" ? "wb-left" : "");
  node.dataset.column = column.key;
  const value = run.cells[column.key];
  if (value === null || value === undefined) return node;
  if (column.kind === "link") {
    const link = element("a", "", value);
    link.href = `${state.data.page ?? "run"}?id=${encodeURIComponent(run.id)}`;
    link.dataset.focus = `open:${run.id}`;
    link.onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      state.emit.setTriggerValue("open", run.id);
    };
    node.append(link);
  } else if (column.kind === "time") {
    const time = element("time");
    time.dateTime = value;
    time.title = new Date(value).toLocaleString();
    node.append(time);
  } else if (column.kind === "chip") {
    node.append(element("span", `wb-chip wb-${value.kind}`, value.text));
  } else if (column.kind === "badges") {
    for (const badge of value) {
      const mark = element("span", `wb-chip wb-${badge.kind}`);
      mark.append(element("span", "wb-word", badge.text));
      mark.title = badge.title;
      node.append(mark);
    }
  } else if (column.kind === "spark") {
    node.append(spark(value));
  } else if (column.kind === "light") {
    const light = element("span", `wb-light wb-${value.kind}`, value.text);
    light.title = value.title;
    node.append(light);
  } else if (column.kind === "cancel") {
    node.append(...cancel(state, run.id, value));
  } else {
    const words = element("span", value.tone ? `wb-${value.tone}` : "", value.text);
    if (value.title) words.title = value.title;
    node.append(words);
    if (value.beside) node.append(element("small", "", value.beside));
  }
  return node;
}

function progress({ share, text, left, title }) {
  const whole = element("span", "wb-progress");
  const bar = element("span", "wb-bar");
  const done = element("i");
  done.style.width = `${(100 * share).toFixed(1)}%`;
  bar.append(done);
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-valuenow", Math.round(100 * share));
  whole.append(bar, element("small", "", text));
  if (left) whole.append(element("small", "wb-time", left));
  whole.title = title;
  return whole;
}

/* Ending a study cannot be undone, so the button asks once more in its own place. */
function cancel(state, id, name) {
  const ask = (text, key, act) => {
    const button = element("button", key === "sure" ? "wb-do wb-sure" : "wb-do", text);
    button.type = "button";
    button.dataset.focus = `${key}:${id}`;
    button.onclick = act;
    return button;
  };
  const arm = (armed) => () => {
    state.armed = armed;
    state.redraw();
  };
  if (state.armed !== id) {
    const button = ask("Cancel", "cancel", arm(id));
    button.setAttribute("aria-label", `Cancel ${name}`);
    return [button];
  }
  const sure = ask("End it", "sure", () => {
    state.armed = null;
    state.emit.setTriggerValue("cancel", id);
    state.redraw();
  });
  sure.setAttribute("aria-label", `End ${name}; what it has found so far is not judged, only the best trials stay listed`);
  return [sure, ask("Keep", "keep", arm(null))];
}

function spark(points) {
  const [width, height] = [88, 22];
  const low = Math.min(...points), high = Math.max(...points), range = high - low || 1;
  const at = (value, index) => {
    const x = (index / Math.max(points.length - 1, 1)) * (width - 2) + 1;
    const y = height - 2 - ((value - low) / range) * (height - 4);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.setAttribute("class", points[points.length - 1] < points[0] ? "wb-down" : "wb-up");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "polyline");
  path.setAttribute("points", points.map(at).join(" "));
  picture.append(path);
  return picture;
}

function toggle(root, state, id, box) {
  const most = state.data.most;
  if (box.checked && state.selected.size >= most) {
    box.checked = false;
    return;
  }
  if (box.checked) state.selected.add(id);
  else state.selected.delete(id);
  mark(root, state);
  state.emit.setStateValue("selected", [...state.selected]);
}

function mark(root, state) {
  const full = state.selected.size >= state.data.most;
  for (const row of root.querySelectorAll("tbody tr")) {
    const id = Number(row.dataset.run);
    const chosen = state.selected.has(id);
    const box = row.querySelector("input");
    if (!box) continue;
    box.checked = chosen;
    box.title = full && !chosen ? `At most ${state.data.most} runs can be compared` : "";
    row.classList.toggle("wb-chosen", chosen);
  }
}

function tick(root) {
  for (const time of root.querySelectorAll("time")) time.textContent = ago(new Date(time.dateTime));
}

function ago(then) {
  const seconds = (Date.now() - then.getTime()) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  const sameDay = then.toDateString() === new Date().toDateString();
  const clock = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (sameDay) return `today ${clock}`;
  return `${then.toLocaleDateString("en-GB", { day: "2-digit", month: "short", year: "numeric" })}`;
}

function focused(root) {
  const active = root.getRootNode().activeElement;
  return root.contains(active) ? active.dataset.focus : null;
}

function restore(root, key) {
  if (key) root.querySelector(`[data-focus="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
