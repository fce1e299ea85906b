/** Commands that may wait for a connection. Written by `npm run gen`; do not edit. */
export const queueable: readonly string[] = [
  'anomaly.acknowledge',
  'anomaly.feedback',
  'device.autosync',
  'notification.configure',
  'user.update',
];
