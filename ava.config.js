/** The file that takes longest begins first, beside all others: begun in its turn it would be waited for at the end. */
const LONGEST = 'simulation/crash-points.test.js';
const rank = (file) => (file.endsWith(LONGEST) ? 0 : 1);

export default {
  files: ['dist/test/**/*.test.js'],
  sortTestFiles: (a, b) => rank(a) - rank(b) || a.localeCompare(b, [], { numeric: true }),
  concurrency: 2,
  // without any result: longer than the waits of the tests, which say what they have waited for
  timeout: '5m',
  workerThreads: false,
};
