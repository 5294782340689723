// Where drafts of agents' files are kept, in the browser's own storage of this tab.

/** The one that the softphone tries: {file, text}. */
export const DRAFT = "console-draft";

/** All of them: [[file, {text, version}]], the version being that of the file which was changed. */
export const DRAFTS = "console-drafts";
