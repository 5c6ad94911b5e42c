namespace Gateway.Commands;

/// <summary>Reads options that name other processes.</summary>
internal static class Addresses
{
    /// <summary>The addresses, or the sentence that says which value is none.</summary>
    public static string? Read(string option, IReadOnlyList<string>? values, out IReadOnlyList<Uri> addresses)
    {
        var read = new List<Uri>();
        addresses = read;
        foreach (var value in values ?? [])
        {
            if (!Uri.TryCreate(value, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            {
                return $"{option} '{value}' is not an address: write it as http://HOST:PORT";
            }

            read.Add(uri);
        }

        return null;
    }
}
