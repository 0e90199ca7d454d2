"use strict";
// The page is readable without this script, which adds sorting and filters to the verdicts, and values under the pointer.
(() => {
  const SHOWN = 25;

  const table = document.querySelector(".verdicts");
  if (table) verdicts(table);
  document.querySelectorAll("figure[data-series]").forEach(values);

  function verdicts(table) {
    const section = document.getElementById("verdicts");
    const tools = section.querySelector(".tools");
    const [verdict, order] = tools.querySelectorAll("select");
    const search = tools.querySelector("input");
    const count = tools.querySelector("output");
    const more = section.querySelector(".more");
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    // Column to sort by (-1: the order of the page), the direction, and whether all rows are shown.
    let column = -1, ascending = false, expanded = false;

    heads.forEach((head, index) => {
      if (!head.dataset.order) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      order.add(new Option(`by ${head.textContent.replace(/, %$/, "").toLowerCase()}`, index));
      button.addEventListener("click", () => {
        ascending = column === index ? !ascending : head.dataset.order === "text";
        column = index;
        order.value = index;
        show();
      });
    });
    order.addEventListener("change", () => {
      column = order.value === "" ? -1 : Number(order.value);
      ascending = column >= 0 && heads[column].dataset.order === "text";
      show();
    });
    tools.querySelector(".turn").addEventListener("click", () => { ascending = !ascending; show(); });
    search.addEventListener("input", show);
    verdict.addEventListener("change", show);
    more.addEventListener("click", () => { expanded = !expanded; show(); });
    tools.hidden = rows.length < 2;
    show();

    function show() {
      const query = search.value.trim().toLowerCase();
      let found = 0;
      for (const row of ordered()) {
        const fits = row.cells[0].dataset.sort.toLowerCase().includes(query)
          && (verdict.value === "" || row.dataset.verdict === verdict.value);
        row.classList.toggle("filtered", !fits);
        if (fits) found += 1;
        row.classList.toggle("folded", fits && !expanded && found > SHOWN);
        body.append(row);
      }
      heads.forEach((head, index) => {
        if (index === column) head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      });
      const visible = expanded ? found : Math.min(found, SHOWN);
      count.textContent = found === 0 ? "no symbol matches" : `${visible} of ${rows.length} shown`;
      more.hidden = found <= SHOWN;
      more.textContent = expanded ? `Show only the first ${SHOWN}` : `Show all ${found}`;
    }

    function ordered() {
      if (column < 0) return ascending ? [...rows].reverse() : rows;
      const numbers = heads[column].dataset.order === "number";
      const key = row => row.cells[column].dataset.sort;
      const sign = ascending ? 1 : -1;
      return [...rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        // Undefined values come last in both directions.
        if (x === "" || y === "") return (x === "") - (y === "");
        return sign * (numbers ? x - y : x.localeCompare(y));
      });
    }
  }

  function values(figure) {
    const series = JSON.parse(figure.dataset.series).filter(one => one.points.length > 1);
    const readout = figure.querySelector("output");
    const percent = figure.dataset.kind === "drawdown";
    const write = value => (percent ? `${(100 * value).toFixed(1)}%` : value.toFixed(3)).replace("-", "−");
    const times = series[0].points.map(point => point[0]);
    const day = new Intl.DateTimeFormat("en-GB", {
      day: "numeric", month: "short", year: "numeric", timeZone: "UTC",
      ...(times[1] - times[0] < 86400000 ? { hour: "2-digit", minute: "2-digit" } : {}),
    });

    for (const svg of figure.querySelectorAll("svg")) {
      const at = Object.fromEntries(
        ["left", "right", "top", "bottom", "from", "to", "low", "high"].map(name => [name, Number(svg.dataset[name])]));
      const x = time => at.left + (time - at.from) / (at.to - at.from) * (at.right - at.left);
      const y = value => at.bottom - (value - at.low) / (at.high - at.low) * (at.bottom - at.top);
      const group = add(svg, "g", {});
      let index = -1;

      svg.addEventListener("pointermove", event => {
        const box = svg.getBoundingClientRect();
        const across = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
        point(nearest(times, at.from + (across - at.left) / (at.right - at.left) * (at.to - at.from)));
      });
      svg.addEventListener("pointerleave", clear);
      svg.addEventListener("blur", clear);
      svg.addEventListener("keydown", event => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        point(Math.max(0, Math.min(times.length - 1, index < 0 ? times.length - 1 : index + step)));
      });

      function point(to) {
        index = to;
        const time = times[index];
        const parts = [day.format(time)];
        group.replaceChildren();
        add(group, "path", { class: "at", d: `M${x(time)},${at.top} V${at.bottom}` });
        series.forEach((one, n) => {
          const [own, value] = one.points[nearest(one.points.map(point => point[0]), time)];
          add(group, "circle", { class: `dot-${n}`, cx: x(own), cy: y(value), r: 4 });
          parts.push(`${one.name} ${write(value)}`);
        });
        readout.textContent = parts.join(" · ");
      }

      function clear() {
        index = -1;
        group.replaceChildren();
        readout.textContent = "";
      }
    }
  }

  // Index of the time nearest to the given one; times are ascending.
  function nearest(times, time) {
    let low = 0, high = times.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] < time) low = middle; else high = middle;
    }
    return time - times[low] <= times[high] - time ? low : high;
  }

  function add(parent, name, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  }
})();
