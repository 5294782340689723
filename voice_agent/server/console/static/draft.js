// Where a draft of an agent's file waits, in the browser's own storage of this tab, while the softphone tries it.
export const DRAFT = "console-draft";
