/** Takes the key that the server asks for; there is nothing else to do then, so it takes the focus. */
import { useEffect, useRef } from 'preact/hooks';

interface KeyFormProps {
  readonly label: string;
  readonly onKey: (key: string) => void;
}

export function KeyForm({ label, onKey }: KeyFormProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current!.focus(), []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const key = String(new FormData(event.currentTarget as HTMLFormElement).get('key')).trim();
    if (key !== '') onKey(key);
  };
  return (
    <form class="key" onSubmit={submit}>
      <label for="key">{label}</label>
      <input
        ref={input}
        id="key"
        name="key"
        type="password"
        required
        autocomplete="off"
        aria-describedby="key-hint"
      />
      <button type="submit">Use it</button>
      <p id="key-hint">An API key or a token. It is kept in this tab only, until the tab is closed.</p>
    </form>
  );
}
