// Entry of the eye check's page: tabs, and the parts that know one job each.

import { Answer } from "./answer.js";
import { Api } from "./api.js";
import { Camera } from "./camera.js";
import { fillCode } from "./code.js";
import { Photo } from "./photo.js";
import { Tabs } from "./tabs.js";

export function start(root) {
  if (root.dataset.started) return;
  root.dataset.started = "true";
  const config = JSON.parse(root.dataset.config);
  const page = new URL("./", document.baseURI);
  const api = new Api(page);
  const answer = new Answer(root.querySelector("#lb-answer"), { notice: config.notice });
  const camera = new Camera(root.querySelector("#lb-webcam"), { api, answer });
  const tabs = new Tabs(root.querySelector("[role=tablist]"), {
    onSelect: (name) => name !== "lb-tab-webcam" && camera.stop("The camera is off."),
  });
  new Photo(root.querySelector("#lb-photo"), {
    api,
    answer,
    maxUploadMb: config.max_upload_mb,
    select: () => tabs.select("lb-tab-photo"),
  });
  fillCode(root.querySelector(".lb-code-body"), {
    page: page.href,
    plain: new URL(config.plain, page),
  });
  root.querySelector(".lb-columns").inert = false;
}
