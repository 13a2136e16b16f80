"""A page in the browser: pictures dropped there, and what every served model says of them side by side."""
