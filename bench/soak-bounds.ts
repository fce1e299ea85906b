/** Heap bytes of an idle actor with its context of eight keys; of a warm one what is left of it on the heap. */
export const HOT_BYTES = 2_560;
export const WARM_BYTES = 256;
/** heap bytes that a command may leave behind; one forgotten entry of a map is more */
export const LEFT_BYTES = 64;
