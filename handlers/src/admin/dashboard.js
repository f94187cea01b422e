/* Draws the dashboard: asks for the state once a second, and draws what has come.
   Owns: charts on canvas, tables. Must not know: where numbers come from. */
