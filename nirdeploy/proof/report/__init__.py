"""Reports: verdicts as HTML, JUnit XML and terminal tables."""
