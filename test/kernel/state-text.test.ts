import test from 'ava';
import { stateText } from '../../actors/machine.ts';

test('the text of a parallel state names its regions in one order, in whatever order they were written or read', (t) => {
  const text = 'alerting.open.calm|condition.normal|feed.live';
  t.is(stateText({ feed: 'live', condition: 'normal', alerting: { open: 'calm' } }), text);
  t.is(stateText({ alerting: { open: 'calm' }, condition: 'normal', feed: 'live' }), text);
  t.is(stateText({ work: { right: 'on', left: { inner: 'off' } } }), 'work.left.inner.off|work.right.on');
  t.is(stateText('held'), 'held');
});
