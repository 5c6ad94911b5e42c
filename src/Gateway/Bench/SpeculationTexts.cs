using System.Globalization;
using System.Text;

namespace Gateway.Bench;

/// <summary>What speculation is measured on: a visible text and the reply to it, as strings.</summary>
/// <param name="Name">Kind of task.</param>
/// <param name="Visible">What the prompt shows.</param>
/// <param name="Reply">What the model says; cut to the length of a script.</param>
internal sealed record SpeculationTexts(string Name, string Visible, string Reply)
{
    private const string Story =
        """
        The ferry left the island at six, an hour before the sun came over the hills, and Mara stood at the rail with her collar
        turned up against the wind. She had sold the house. It had taken one afternoon, two signatures and a cup of weak coffee,
        and now the key lay in a stranger's drawer beside a box of screws. Behind her the lamps along the pier grew small. A boy
        was coiling a rope and whistling the same four notes again and again, until an old sailor threw a glove at him.
        "You will call up a storm," the sailor said. The boy laughed, but he stopped. Far out the water was grey and smooth like
        slate, and the first gulls were already circling over the nets of the night boats.
        """;

    private const string Continuation =
        """
        She thought of her father, who had built that house plank by plank after the great flood, and who never forgave the
        sea for it. Every spring he painted the shutters blue; every autumn the salt took the paint away. When she was nine he
        let her hold the brush, and she wrote her name under the window sill, where nobody would look. Perhaps the new people
        would find it. Perhaps they would wonder who she was, ask a neighbour over the fence, and hear three different stories.
        The engine coughed and settled into its rhythm. Someone opened a thermos; the smell of soup drifted along the deck.
        Mara took the letter from her pocket, unfolded it for the last time, read only the date, and gave it to the wind. It
        turned twice in the air, white against the dark hull, and then the wake closed over it without a sound. At the harbour
        on the other side her sister would be waiting with a borrowed car, a list of questions and no patience at all.
        """;

    private static readonly string[] Things = ["lantern", "kettle", "hammer", "blanket", "mirror", "basket", "candle", "bucket"];

    /// <summary>Running text that repeats nothing, a copy of a paragraph, and a list of records with some values changed.</summary>
    public static IReadOnlyList<SpeculationTexts> All { get; } =
    [
        new("prose", Story, Continuation),
        new("copying", Continuation, Continuation),
        new("editing JSON", Records(raise: 0), Records(raise: 3)),
    ];

    /// <summary>A JSON array in which the price of every second record is raised.</summary>
    private static string Records(int raise)
    {
        var text = new StringBuilder("[\n");
        for (var i = 0; i < Things.Length; i++)
        {
            var price = (17 * i % 50) + 5 + (i % 2 == 0 ? 0 : raise);
            text.Append(CultureInfo.InvariantCulture, $"  {{\"id\": {i + 1}, \"name\": \"{Things[i]}\", \"price\": {price}, \"stock\": {(i % 3 == 0 ? "true" : "false")}}},\n");
        }

        return text.Append(']').ToString();
    }
}
