// Tabs as the ARIA practices describe them: one in the focus order, arrows move.
export class Tabs {
  constructor(list, { onSelect }) {
    this.tabs = [...list.querySelectorAll("[role=tab]")];
    this.onSelect = onSelect;
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.select(tab.id));
      tab.addEventListener("keydown", (event) => this.move(event, tab));
    }
  }

  select(id) {
    for (const tab of this.tabs) {
      const chosen = tab.id === id;
      tab.setAttribute("aria-selected", chosen);
      tab.tabIndex = chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !chosen;
    }
    this.onSelect(id);
  }

  move(event, tab) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -this.tabs.length, End: this.tabs.length };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const last = this.tabs.length - 1;
    let place = this.tabs.indexOf(tab) + steps[event.key];
    if (event.key.startsWith("Arrow")) place = (place + this.tabs.length) % this.tabs.length;
    const next = this.tabs[Math.max(0, Math.min(last, place))];
    next.focus();
    this.select(next.id);
  }
}
