/**
 * What one node holds at most (kernel specification 11.1). Beyond it callers are refused with a typed, retryable error, and events of the
 * kernel itself wait. The bounds of a single actor are the `limits` of its kind.
 */
export interface NodeLimits {
  /** commands accepted and not answered */
  readonly inflight: number;
  /** JSON bytes of their payloads */
  readonly inflightBytes: number;
  /** JSON bytes of the payload of one command */
  readonly payloadBytes: number;
  /** actors in memory, hot and warm */
  readonly activations: number;
  /** their estimated bytes */
  readonly activationBytes: number;
  /** idle ms after which a hot actor becomes warm */
  readonly warmAfter: number;
  /** queries at once that read actors, and actors in one of them */
  readonly loads: number;
  readonly loadActors: number;
  /** uncommitted events of one actor */
  readonly uncommitted: number;
  /** uncommitted events of one lane, and their bytes */
  readonly laneRows: number;
  readonly laneBytes: number;
  /** bytes of the recent publications that are kept for reconnecting clients */
  readonly ringBytes: number;
  /** ms that the process may stand still, or its clock jump, before every actor is read anew: far below the hour for which rows stay */
  readonly standstill: number;
}

export const defaultLimits: NodeLimits = {
  inflight: 20_000,
  inflightBytes: 67_108_864,
  payloadBytes: 65_536,
  activations: 50_000,
  activationBytes: 536_870_912,
  warmAfter: 30_000,
  loads: 4,
  loadActors: 256,
  uncommitted: 512,
  laneRows: 8_192,
  laneBytes: 33_554_432,
  ringBytes: 67_108_864,
  standstill: 600_000,
};
