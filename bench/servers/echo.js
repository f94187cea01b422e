/* The app of bench/echo.sh: each connection gets back what it sends, by plain `os` calls. */
import * as os from "os";

export default {
  async accept(fd) {
    const buffer = new Uint8Array(16384);
    for (;;) {
      const length = await os.recv(fd, buffer);
      if (length === 0) break;
      await os.send(fd, buffer, length, true);
    }
  },
};
