// "Use this from code": lines that work for the address at which this page was opened.

import { h } from "./dom.js";
import { snippet } from "./snippets.js";

export function fillCode(body, { page, plain }) {
  const detect = new URL("api/detect-vertebrae", plain).href;
  const snippets = [
    ["curl", `curl -F file=@ct.nii.gz ${detect}`],
    [
      "Python, nothing but requests",
      `import requests

with open("ct.nii.gz", "rb") as ct:
    answer = requests.post("${detect}", files={"file": ct}, timeout=900)
answer.raise_for_status()
for vertebra in answer.json()["vertebrae"]:
    print(vertebra["label"], vertebra["center_mm"], vertebra["confidence"])`,
    ],
    [
      "Python with gradio_client, with progress",
      `from gradio_client import Client, handle_file

client = Client("${page}")
job = client.submit(files=[handle_file("ct.nii.gz")], api_name="/detect_vertebrae")
for answer in job:
    if answer.get("success"):
        print(answer["audit"]["verdict"], [one["label"] for one in answer["vertebrae"]])
    else:
        print(answer["status"], answer["progress"], answer["text"])`,
    ],
  ];
  body.replaceChildren(
    h(
      "p",
      { class: "lb-hint" },
      "A NIfTI, NRRD or MHA file, a ZIP of a DICOM folder, or several DICOM files. With backend=nnunet or backend=totalsegmentator whole vertebrae are found, once their weights are downloaded. Answers are JSON; errors have a code, a sentence and a matching HTTP status.",
    ),
    ...snippets.map(([title, text]) => snippet(title, text)),
    h(
      "p",
      { class: "lb-hint" },
      "Everything else: ",
      h("a", { href: new URL("docs", plain).href }, "plain routes"),
      ", ",
      h("a", { href: new URL("gradio_api/openapi.json", page).href }, "Gradio endpoints"),
      ". On the command line: lightbox spine ct.nii.gz --json",
    ),
  );
}
