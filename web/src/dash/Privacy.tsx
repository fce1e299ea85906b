import { useCommand, useTopic } from '@thrum/client/react';
import { Icon } from '../ui/icons.tsx';
import { useToast } from '../ui/toasts.tsx';

/** What others may see of the person. */
export function Privacy({ userId }: { readonly userId: string }) {
  const say = useToast();
  const { value } = useTopic(`user:${userId}/profile`);
  const update = useCommand(`user:${userId}`, 'user.update');
  const hide = (hidden: boolean): void =>
    void update.run({ hidden }).then(
      () => say(hidden ? 'You are hidden' : 'Others see when you are here'),
      (e: Error) => say(e.message, 'warn'),
    );
  if (value === undefined) return null;
  return (
    <section class="card" aria-labelledby="privacy-title">
      <header>
        <h2 id="privacy-title">
          <Icon name="user" /> Privacy
        </h2>
        <span class="spring" />
        {value.hidden === true && <span class="chip info">Hidden</span>}
      </header>
      <div class="body">
        <label class="option small">
          <input
            type="checkbox"
            checked={value.hidden === true}
            disabled={update.pending}
            onChange={(e) => hide(e.currentTarget.checked)}
          />
          Hide me: to others I always look away
        </label>
      </div>
    </section>
  );
}
