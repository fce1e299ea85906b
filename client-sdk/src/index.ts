/** Version of the wire protocol that this client speaks (realtime protocol major). */
export const PROTOCOL = 1;
