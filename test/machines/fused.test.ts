/** The suites of actors that talk to each other once more, with fused delivery (kernel.md 15.4). */
import '../support/fused.ts';
import './anomaly-kernel.test.ts';
import './booking-kernel.test.ts';
import './device.test.ts';
import './user.test.ts';
