// What goes wrong, as a sentence for a person and a code for programs.

export class Problem extends Error {
  constructor(message, { code = "error", retryAfterS = 0 } = {}) {
    super(message);
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

// Ask the server; a connection that fails is a sentence as well.
export async function reach(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server does not answer. Check the connection and try again.", {
      code: "offline",
    });
  }
}

export async function problemOf(response) {
  const retryAfterS = Number(response.headers.get("Retry-After")) || 0;
  try {
    const { error } = await response.json();
    return new Problem(error.message, { code: error.code, retryAfterS });
  } catch {
    return new Problem(`The server answered with status ${response.status}. Try again.`, {
      retryAfterS,
    });
  }
}
