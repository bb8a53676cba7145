"""Pictures and pages for a person, as text: SVG charts and the look of the HTML reports."""
