"""The app: prompts and pictures in a browser, their masks beside them. It needs the `app` extra."""
