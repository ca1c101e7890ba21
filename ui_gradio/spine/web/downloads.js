// Files of the result; what is not there says why.

import { h } from "./dom.js";

export function showDownloads(place, { downloads }, { api, run }) {
  place.replaceChildren(
    h("h2", {}, "Downloads"),
    h(
      "ul",
      {},
      downloads.map(({ name, title, why }) =>
        h(
          "li",
          { "data-file": name },
          why
            ? h("span", { class: "sp-missing" }, h("b", {}, title), h("span", {}, why))
            : h(
                "a",
                { href: api.file(run.id, name, run.shift).href, download: name },
                h("b", {}, title),
                h("span", {}, name),
              ),
        ),
      ),
    ),
  );
}
