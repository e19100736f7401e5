/** The page, in the browser: this file is its root, the only one that knows the document it is put into. */
import { render } from 'preact';
import { App } from './view/app.tsx';

render(<App />, document.getElementById('page')!);
